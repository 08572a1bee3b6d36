"""Triton's interpreter, quick enough for tests: kernels run as numpy, program after program.

Where there is a GPU, kernels are compiled and run there. `conftest.py` chooses, before anything
imports triton.
"""

import dataclasses

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    from triton.runtime import interpreter

    patch, patched = interpreter._patch_lang, set()

    class Stays:
        """In place of undoing what the interpreter changes in triton's language at every call."""

        def restore(self):
            pass

    def patch_once(function):
        if function.__module__ not in patched:  # by what a module calls the language
            patch(function)
            patched.add(function.__module__)
        return Stays()

    interpreter._patch_lang = patch_once
    builder = interpreter.interpreter_builder
    builder.options = dataclasses.replace(builder.options, sanitize_overflow=False)
