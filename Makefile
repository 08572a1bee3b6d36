# For those who have make; everything also works without (README.md).
.PHONY: zoo test figures starts benchmarks api dist

zoo test:
	python3 start.py $@

figures: # the pictures in docs/figures, from data/zoo.h5
	.venv/bin/python docs/make_figures.py

starts: # the meta-learned starts that ship with the package: an hour on two cores
	.venv/bin/nca-zoo metastart --regime persistent --out nca_zoo/starts/persistent.npz
	.venv/bin/nca-zoo metastart --regime growing --rounds 150 --out nca_zoo/starts/growing.npz

benchmarks: # tables for docs/performance.md
	.venv/bin/python benchmarks/training_step.py

api: # the API reference from the docstrings: build/api/index.html
	.venv/bin/python docs/api.py build/api

dist: # sdist and wheel in dist/
	.venv/bin/python -m build
