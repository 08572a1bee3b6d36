# For those who have make; everything also works without (README.md).
.PHONY: zoo explore test figures all-figures notebooks writeup findings starts writer patches benchmarks tables site dist release

zoo explore test:
	python3 start.py $@

figures: # the pictures of the README and the pages, from data/zoo.h5
	.venv/bin/python docs/make_figures.py
	.venv/bin/python docs/make_draw.py

all-figures: figures writeup findings # every picture; what is finished is not made again

notebooks: # run them from top to bottom and keep what they show
	.venv/bin/python notebooks/execute.py

writeup: # the figures and the table of docs/notes/writeup.md; Ctrl-C, and again, to go on with the next fit
	.venv/bin/python docs/make_writeup.py

findings: # tables and figures of docs/notes/findings.md: about 50 minutes on two cores, resumable
	.venv/bin/python docs/make_findings.py

starts: # the meta-learned starts that ship with the package: three quarters of an hour on two cores
	.venv/bin/nca-zoo metastart --regime persistent --out nca_zoo/training/starts/persistent.npz
	.venv/bin/nca-zoo metastart --regime persistent --visible grey --out nca_zoo/training/starts/persistent-grey.npz
	.venv/bin/nca-zoo metastart --regime growing --out nca_zoo/training/starts/growing.npz

writer: # the writer that ships, from the default zoo and all digits for training: a quarter of an hour of one core
	.venv/bin/nca-zoo writer learn --end-to-end 10000 --source digits --threads 1 --out nca_zoo/training/starts/regenerating-writer.npz

patches: # the patches of the control of that name, learnt without labels: seconds
	.venv/bin/python docs/make_patches.py

ZOO = data/zoo.h5
RESULTS = benchmarks/results
benchmarks: # the tables of docs/notes/performance.md, on idle cores; needs $(ZOO) and pip install -e .[benchmarks]
	.venv/bin/python benchmarks/training_step.py --out $(RESULTS)/training_step.md
	.venv/bin/python benchmarks/roofline.py --out $(RESULTS)/roofline.md
	.venv/bin/python benchmarks/time_to_quality.py --out $(RESULTS)/time_to_quality.md
	.venv/bin/python benchmarks/rollout_rate.py --zoo $(ZOO) --out $(RESULTS)/rollout_rate.md
	.venv/bin/python benchmarks/startup.py --zoo $(ZOO) --out $(RESULTS)/startup.md
	.venv/bin/python benchmarks/first_page.py --zoo $(ZOO) --browser --out $(RESULTS)/first_page.md
	.venv/bin/python benchmarks/drawing.py --zoo $(ZOO) --out $(RESULTS)/drawing.md
	.venv/bin/python benchmarks/growth.py --out $(RESULTS)/growth.md
	.venv/bin/python benchmarks/sweep.py --out $(RESULTS)/sweep.md

tables: # the tables of defaults in the pages, from the code
	.venv/bin/python docs/make_tables.py

site: # all pages, the API and a zoo that lives: build/site/index.html; needs pip install -e .[docs], no network
	.venv/bin/python docs/make_site.py

release: # the zoos that a release carries, with cards and digests, in build/release; says where they go
	.venv/bin/python docs/make_release.py

dist: # sdist and wheel in dist/
	.venv/bin/python -m build
