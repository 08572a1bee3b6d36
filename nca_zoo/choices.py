"""Names to choose from, for help pages and for the code that they name: free of any dependency."""

DEFAULT_REGIME = "regenerating"  # of what is trained, but for a zoo that goes on with its own
ENGINES = ("auto", "sparse", "dense", "fused")
INITS = ("meta", "written", "shared", "independent")
VISIBLE = ("rgba", "grey")  # what is seen of an NCA: four channels, or alpha alone as white ink
ALPHAS = ("ink", "opaque")  # what lives: what is drawn, or every cell
SEEDS_AT = ("ink", "center")
PERCEPTIONS = ("blocks", "interleaved")  # the order of the first layer's inputs in others' files
SOBEL_ORDERS = ("xy", "yx")
SOBEL_SIGNS = ("++", "-+", "+-", "--")  # of x, then of y
RGBA_AT = ("first", "last")  # of the channels
FORMATS = ("safetensors", "npz", "parquet", "csv", "torch", "distill")
BACKGROUNDS = ("dark", "light", "checker")  # what transparent cells show
MOTIONS = ("sway", "turn", "walk", "pulse")  # of one picture, in `pictures/motions.py`
MIXED = "mixed"  # each picture in one of these ways
CLOCKS = ("phase", "none")  # what NCAs hear whose target moves
