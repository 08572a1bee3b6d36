"""What the pages say of defaults is what the code does."""

import re
import sys
from pathlib import Path

import click
import pytest
from commands import ALL

from nca_zoo.automaton import rule
from nca_zoo.building import settings, workers
from nca_zoo.explorer import page
from nca_zoo.features import nearness, queries, reduction, responses
from nca_zoo.life import dynamics, quality, rhythm
from nca_zoo.life.engines import cohort_size
from nca_zoo.life.engines.dense import GPU_SHARE
from nca_zoo.networks import coding, judge, reading, writing
from nca_zoo.pictures import sources
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.probing import probe, readers, resampling, splits
from nca_zoo.store import merging, schema
from nca_zoo.studies import cluster, neighbours
from nca_zoo.symmetry import procrustes
from nca_zoo.training.gate import Gate
from nca_zoo.training.regime import CA_STEPS, REGIMES
from nca_zoo.viewer import drawing
from nca_zoo_cli import draw, fit, metastart, options
from nca_zoo_cli.neighbours import MOST as MOST_NEIGHBOURS
from nca_zoo_cli.training_options import SLOW_LR, SOLO_STEPS

DOCS = Path(__file__).parents[2] / "docs"
GROWING, PERSISTENT = REGIMES["growing"], REGIMES["persistent"]
COHORTS = {"cpu": cohort_size("cpu"), "other": cohort_size("cuda")}
REGENERATING, WRITEUP = REGIMES["regenerating"], REGIMES["writeup"]


@pytest.fixture
def make(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import make_tables

    yield make_tables
    sys.modules.pop("make_tables", None)


def test_tables_of_defaults_are_those_that_the_code_makes(make):
    made = set()
    for path in DOCS.rglob("*.md"):
        page = path.read_text(encoding="utf-8")
        made |= {found[2] for found in make.MARKED.finditer(page)}
        assert make.renewed(page) == page, f"{path.name}: make tables"
    assert made == set(make.TABLES)


def test_the_table_of_regimes_follows_the_code(make, monkeypatch):
    import dataclasses

    other = dataclasses.replace(PERSISTENT, pool=1234, lr=0.00125)
    monkeypatch.setattr(make, "REGIMES", {"persistent": other})
    assert "| states in the pool | 1,234 |" in make.regimes()
    assert "| Adam's step size | 1.25e-3 |" in make.regimes()


WORDS = {1: "one", 2: "two", 3: "three", 4: "four", 10: "ten"}

# Sentences that name a default: the page, the words with gaps, and what stands in the gaps.
SENTENCES = [
    ("fit", "({} dB at steps 96 and 400 for `persistent`", PERSISTENT.gate.as_dict()["stop_96"]),
    ("fit", "({} dB at steps 96 and 400 for `persistent`", PERSISTENT.gate.as_dict()["stop_400"]),
    ("fit", "{} dB for `regenerating`", REGENERATING.gate.as_dict()["stop_400"]),
    ("fit", "`growing`: {} dB at step 96; `writeup`: never)", GROWING.gate.as_dict()["stop_96"]),
    ("fit", "What then is short of {} dB begins anew", PERSISTENT.gate.as_dict()["pass_96"]),
    ("quality", "Every {} training steps a check rollout", Gate().check_every),
    ("regimes", "CA steps drawn from {} to {}, with", *CA_STEPS),
    ("rule", "a *pool* of {} states", PERSISTENT.pool),
    ("rule", "A training step takes {} of them", WORDS[PERSISTENT.batch]),
    ("rule", "into {} of the", WORDS[REGENERATING.damaged]),
    ("rule", "of the {} states it takes", WORDS[REGENERATING.batch]),
    ("rule", "Let it grow for {} to {} steps (a draw each time)", *CA_STEPS),
    ("symmetry", "compare them at {} steps, not at 400", CA_STEPS[1]),
    ("rule", "is above {}.", rule.ALIVE_THRESHOLD),
    ("rule", "{:,} weights", rule.N_PARAMS),
    ("fit", "up to {} a side. Larger pictures are scaled to {} x", fit.AS_IS, fit.SCALED),
    ("fit", "{} CA steps from the seed, beside", fit.FILM_STEPS),
    ("draw", "({} to {})", *draw.SIZES),
    ("draw", "the last {} |", drawing.UNDO_STEPS),
    ("metastart", "replaced every {} rounds", WORDS[metastart.CHECKPOINT_ROUNDS]),
    ("metastart", "from the {}st of each class on", sources.META_FROM + 1),
    ("write", "how much of each of {} patterns", writing.Size().components),
    (
        "write",
        "through {} hidden units (ReLU), how much of each of {} changes",
        writing.Size().hidden,
        writing.Size().changes,
    ),
    ("writer", "a layer of {} hidden units (ReLU)", writing.Size().hidden),
    ("writer", "looks for {} patterns", writing.Size().components),
    ("writer", "live for {} to {} CA steps", *CA_STEPS),
    ("writer", "leading {} principal components of the pictures", writing.COMPONENTS),
    ("writer", "from their leading {} principal components", reading.COMPONENTS),
    (
        "codes",
        "a small network ({} patterns, {} hidden units)",
        coding.FinderSize().components,
        coding.FinderSize().hidden,
    ),
    ("codes", "`--steps`, `--lr` | {}, {:g} | training", settings.CODE_STEPS, settings.FEW_LR),
    (
        "metastart",
        "of one rule: {}, {}; of rooms: {}, {} |",
        metastart.RULE_ROUNDS,
        metastart.RULE_TASKS,
        metastart.ROOMS.steps,
        metastart.ROOMS.begun,
    ),
    ("protocol", "{:,} times, as many pictures", resampling.RESAMPLES),
    ("protocol", "components ({} at most)", reduction.MAX_COMPONENTS),
    (
        "protocol",
        "A class needs {} pictures, the zoo {}",
        splits.MIN_PER_CLASS,
        splits.MIN_PICTURES,
    ),
    ("protocol", "{}-fold inner cross-validation", splits.INNER_FOLDS),
    ("protocol", "where there are more than {:,} training rows", readers.FEW_ROWS),
    ("protocol", "once for more than {:,} pictures", probe.FEW_PICTURES),
    ("probe", "to {} fixed perceptions: {:,} numbers", queries.QUERIES, 16 * queries.QUERIES),
    ("probe", "in the next {} steps", responses.SOON),
    ("probe", "small changes of it: {} numbers", responses.RESPONSES),
    ("cluster", "the leading {} principal components", cluster.COMPONENTS),
    ("cluster", "the tightest of {} restarts", cluster.RESTARTS),
    ("near", "The {} leading principal components are kept", nearness.COMPONENTS),
    ("neighbours", "at CA steps {}, {}, {} and {},", *neighbours.LOOKS),
    ("scale", "read {:,} NCAs of a larger zoo, `neighbours` {:,}", options.MOST, MOST_NEIGHBOURS),
    ("dynamics", "is within {:g} dB of its value at step {}", dynamics.NEAR_DB, quality.GROWN_STEP),
    (
        "rhythm",
        "`phase_again`: of {} wounds of radius {:g} at step {},",
        rhythm.WOUNDS,
        rhythm.RADIUS,
        rhythm.WOUNDED,
    ),
    ("rhythm", "to a sixteenth of a round, in the round from step {} on", rhythm.LOOKED),
    ("rhythm", "lives for {:,} CA steps here, or {} and", rhythm.LAST_STEP, quality.GROWN_STEP),
    (
        "rhythm",
        "[films](motion.md#what-is-trained-and-judged), {:,} training steps (`fit`: {:,})",
        settings.ALONE_STEPS,
        int(SOLO_STEPS / settings.WEANED),
    ),
    ("quality", "An exact match counts as {:g} dB", quality.MAX_PSNR),
    ("mix", "the last {} of each class", judge.LAST),
    ("merge", "At most {} files", merging.MOST_FILES),
    ("symmetry", "four rounds, on {} NCAs", procrustes.ROWS),
    ("zoo-file", "L = {} the points of the loss curve", schema.LOSS_POINTS),
    ("zoo-file", "| {}, the version of this format |", schema.SCHEMA),
    ("explore", "It holds up to {:,} NCAs", page.MOST_IN_A_FILE),
    (
        "pad",
        "until it has {} dB at steps 96 and 400, or for {} training steps;",
        PERSISTENT.gate.as_dict()["stop_96"],
        PERSISTENT.steps + PERSISTENT.extra_steps,
    ),
    ("pad", "pool of {}, batches of {},", PERSISTENT.pool, PERSISTENT.batch),
    ("pad", "{} to {} CA steps, back-propagation", *CA_STEPS),
    ("many-machines", "At most {:,} tasks are handed out", workers.AHEAD),
    ("many-machines", "no more while {} results wait", workers.BACKLOG),
    ("build", "| {cpu}; other devices: {other} |", COHORTS),
    ("performance", "{other} NCAs at a time", COHORTS),
    ("performance", "at {:.0f} % of the memory", 100 * GPU_SHARE),
    ("notes/writeup", "batch {}, Adam {} with cosine decay", WRITEUP.batch, "5e-3"),
    ("notes/fit", "size is {}, since", "7e-4"),
]


@pytest.mark.parametrize(("name", "words", "values"), [(p, w, v) for p, w, *v in SENTENCES])
def test_sentences_that_name_a_default(name, words, values):
    text = " ".join((DOCS / f"{name}.md").read_text(encoding="utf-8").split())
    named = {} if not isinstance(values[0], dict) else values[0]
    numbers = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    assert words.format(*numbers, **named) in text


def test_step_sizes_in_guides_are_those_of_the_code(make):
    """No guide names a step size of Adam's that the code does not have."""
    known = {make.number(value) for value in (SLOW_LR, *(r.lr for r in REGIMES.values()))}
    for path in DOCS.glob("*.md"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"Adam|step size", line):
                assert set(re.findall(r"\b[\d.]+e-\d\b", line)) <= known, f"{path.name}: {line}"


def stated(page):
    """Option -> what the column of defaults says of it, from every table of options."""
    found: dict[str, list[str]] = {}
    for table in re.findall(r"^\| option[^|]*\| default(?:.+\n)*", page, re.MULTILINE):
        for row in table.splitlines()[2:]:
            names, default = (cell.strip() for cell in row.split("|")[1:3])
            options = re.findall(r"--[\w-]+", names)
            parts = default.split(", ") if len(options) > 1 else [default]
            for option, part in zip(options, parts * len(options), strict=False):
                found.setdefault(option, []).append(part)
    return found


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_default_of_a_command_stands_in_its_page(name, command):
    page = (DOCS / f"{name.split()[0]}.md").read_text(encoding="utf-8")
    said = stated(page)
    for option in command.params:
        if not isinstance(option, click.Option) or option.is_flag or option.multiple:
            continue
        default = "data/zoo.h5" if option.default is options.default_zoo else option.default
        if not isinstance(default, (str, int, float)):
            continue
        told = [part for opt in option.opts for part in said.get(opt, [])]
        assert told, f"{option.opts}: no default in the page ({name})"
        word = re.compile(rf"(?<![\w.]){re.escape(str(default))}(?![\w.])")
        assert any(map(word.search, told)), f"{option.opts}: {told}, not {default}"


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_defaults_in_words_name_the_same_numbers(name, command):
    """Where the help says "[default: 4; other devices: 256]", so does the page, if in numbers."""
    said = stated((DOCS / f"{name.split()[0]}.md").read_text(encoding="utf-8"))

    def numbers(text):
        return {float(n) for n in re.findall(r"\d+(?:\.\d+)?", text.replace(",000", "000"))}

    for option in command.params:
        in_help = re.search(r"\[default: (.*)\]", getattr(option, "help", None) or "")
        if in_help:
            told = " ".join(part for opt in option.opts for part in said.get(opt, []))
            assert numbers(told) <= numbers(in_help[1]), option.opts


def test_what_lives_and_where_the_seed_stands():
    assert TargetSettings().seed_at == "ink"
    assert (SLOW_LR, SOLO_STEPS) == (7e-4, 1000)  # of docs/notes/fit.md and the options of fit
    assert WRITEUP.lr == 5e-3
