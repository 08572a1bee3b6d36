"""The command line: one file a command. Installed as ``nca_zoo_cli``."""
