# For those who have make; everything also works without (README.md).
.PHONY: zoo explore test figures notebooks starts benchmarks

zoo explore test:
	python3 start.py $@

figures: # every picture of the README and the pages, from data/zoo.h5
	.venv/bin/python docs/make_figures.py

notebooks: # run them from top to bottom and keep what they show
	.venv/bin/python notebooks/execute.py

starts: # the meta-learned starts that ship with the package: an hour on two cores
	.venv/bin/nca-zoo metastart --regime persistent --out nca_zoo/starts/persistent.npz
	.venv/bin/nca-zoo metastart --regime growing --rounds 150 --out nca_zoo/starts/growing.npz

benchmarks: # tables for docs/performance.md
	.venv/bin/python benchmarks/training_step.py
