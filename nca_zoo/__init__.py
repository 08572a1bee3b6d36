"""nca-zoo: a population of neural cellular automata, one per picture, and their weights as data."""
