"""The API reference as a folder of HTML, from the docstrings; fails on any warning.

python docs/api.py [FOLDER]        # build/api unless given
"""

import os
import sys
import warnings
from pathlib import Path

os.environ["PDOC_ALLOW_EXEC"] = "1"  # numpy asks the system for its name when it is imported

import pdoc

warnings.simplefilter("error", UserWarning)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
pdoc.render.configure(docformat="markdown", search=True, show_source=True)
pdoc.pdoc("nca_zoo", output_directory=folder)
print(folder / "index.html")
