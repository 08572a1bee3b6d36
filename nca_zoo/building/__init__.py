"""Many NCAs at once, here or elsewhere: workers, shares of a build, the build itself, one fit alone
or in the background, and growing stored NCAs again to compare."""

__all__ = [
    "background",
    "build",
    "going_on",
    "imagining",
    "regrow",
    "settings",
    "share",
    "solo",
    "together",
    "voices",
    "workers",
    "writing",
]  # modules that others may import from
