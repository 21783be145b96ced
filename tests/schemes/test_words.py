"""Every word of the letters is the pipeline that it says, or is refused by a sentence that says why."""

import re

import pytest

from nappo2 import envs, join, scheme, schemes, workers
from nappo2.cli.train_options import check_used
from nappo2.cli.train_options import parse as options_of
from nappo2.recipes import A2C, a2c
from nappo2.schemes import PAPERS, SCHEMES, TAKES, all_words, parse
from nappo2.stages.recipe import collect_of, learn_of
from tests.makers.recipes import CARTPOLE_PPO, scheme_arguments
from tests.makers.stepping import train_until

WORDS = list(all_words())
REFUSED = [word for word in WORDS if word not in SCHEMES]


def train(name, num_updates=16, **options):
    arguments = scheme_arguments(name, **options)
    return train_until(scheme(name, CARTPOLE_PPO, **arguments), CARTPOLE_PPO.init(0), num_updates)


def refusal(word):
    """The sentence that refuses a word."""
    with pytest.raises(ValueError) as caught:
        scheme(word, CARTPOLE_PPO)
    return str(caught.value)


def test_there_are_124_words_of_up_to_three_operations():
    """4 letters for a process: 4 of one operation, 4 + 16 of two, 4 + 2 * 16 + 64 of three."""
    assert len(WORDS) == len(set(WORDS)) == 124 and set(SCHEMES) < set(WORDS)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_word_that_is_a_scheme_makes_updates(name):
    """And every word with a name in the literature is a scheme."""
    params, reports = train(name, 8)
    assert params["version"] >= 8 and join(reports).sums["env_steps"] > 0
    assert set(PAPERS) <= set(SCHEMES)


@pytest.mark.parametrize("word", REFUSED)
def test_every_other_word_is_refused_by_one_sentence(word):
    """It begins with the word, gives a reason, and whatever words it offers are schemes."""
    sentence = refusal(word)
    start, _, reason = sentence.partition(": ")
    assert start == f"the word {word} is no scheme" and len(reason) > 40
    assert "\n" not in sentence and not sentence.endswith(".") and sentence.count("; ") <= 2
    offered = re.findall(r"\b(?:\d?[cd][sa])*[23]?[cd][sa]\b", reason)
    assert offered and set(offered) <= set(SCHEMES)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("2da", "it says nothing of the update, as 2dacs or 2daca does"),
        ("ds", "it says nothing of gradients and the update, as ds2cs or ds2ds or"),
        ("csda", "it says nothing of the update; there are 3cs, 3ds, "),
        (
            "csdacs",
            "workers run all that stands left of a cut, so gradients cannot be distributed be",
        ),
        (
            "2csds",
            "so the update cannot be distributed behind gradients of one process; what is dis",
        ),
        ("ca2cs", "central operations share one process, which a digit says; write 3cs"),
        ("dacscs", "central operations share one process, which a digit says; write da2cs"),
        ("3ca", "the collection, gradients and the update follow one another in one process"),
        ("ds2ca", "gradients and the update follow one another in one process, .*; write ds2cs"),
        ("2dads", "would be the same update in each of its processes; write 3ds or 2dacs"),
        ("3da", "need shared memory, .*; write 3ds or 2daca"),
        ("da2da", "need shared memory, .*; write da2ds or dadaca"),
        ("2dscs", "leave a central update nothing to merge; write 3ds or 2dacs"),
        ("dsdsca", "leave a central update nothing to merge; write ds2ds or dsdaca"),
        ("4cs", "it has 4 operations, and there are three"),
        ("2da2cs", "it has 4 operations, and there are three"),
        (
            "1da2cs",
            "a digit says that the next 2 or 3 operations share a process, and 1 says nothing",
        ),
        ("0cs3ds", "and 0 says nothing"),
    ],
)
def test_a_refusal_says_why(word, reason):
    assert re.search(reason, refusal(word))


@pytest.mark.parametrize(
    "text", ["", "3", "3xs", "c", "csd", "12cs", "da 2cs", "DA2CS", "3cs3", "s3c"]
)
def test_what_is_no_word_is_told_which_words_there_are(text):
    assert refusal(text).startswith(f"no scheme is called {text!r}; there are 3cs, 3ds, 2dacs, ")


EQUAL = {  # a word, and one that computes the same, with their numbers of workers
    "ds2cs of one": (("ds2cs", {"collectors": 1}), ("3cs", {})),
    "ds2cs as da2cs": (("ds2cs", {"collectors": 3}), ("da2cs", {"collectors": 3, "wait_for": 3})),
    "2dacs as 2daca": (("2dacs", {"learners": 3}), ("2daca", {"learners": 3, "wait_for": 3})),
    "ds2ds as dsdacs": (("ds2ds", {"collectors": 4}), ("dsdacs", {"collectors": 4})),
    "da2ds as dadacs": (("da2ds", {"collectors": 4}), ("dadacs", {"collectors": 4})),
    "ds2ds as 3ds": (("ds2ds", {"collectors": 1, "learners": 1}), ("3ds", {"learners": 1})),
    **{
        f"{word} of one learner": (
            (word, {"collectors": 3, "learners": 1}),
            (central, {"collectors": 3}),
        )
        for word, central in {
            "ds2ds": "ds2cs",
            "dsdacs": "ds2cs",
            "dsdaca": "ds2cs",
            "da2ds": "da2cs",
            "dadacs": "da2cs",
        }.items()
    },
}


@pytest.mark.parametrize("case", EQUAL)
def test_words_that_compute_the_same_are_equal_to_the_last_bit(case, same):
    (one, its), (other, others) = EQUAL[case]
    assert same(train(one, **its)[0], train(other, **others)[0])


def test_synchronous_collectors_and_a_central_learner_are_a_cut_that_waits_for_all(same):
    """Three collectors of two environments, 8 steps each: 48 env steps for every step."""
    line = collect_of(CARTPOLE_PPO) | workers(3, name="collectors") | CARTPOLE_PPO.prepare
    by_hand = train_until(line | learn_of(CARTPOLE_PPO), CARTPOLE_PPO.init(0), 16)[0]
    params, reports = train("ds2cs", collectors=3)
    assert same(params, by_hand) and {r.sums["env_steps"] for r in reports} == {48}


def test_a_step_takes_as_many_rollouts_as_it_waits_for():
    """Of 3 collectors with 16 env steps each: 2 are 32."""
    _, reports = train("da2cs", collectors=3, wait_for=2)
    assert {report.sums["env_steps"] for report in reports} == {32}


def test_late_collectors_stop_at_their_share():
    """2 of 3 collect 8 steps of 2 environments, and one 4: 40."""
    _, reports = train("ds2cs", collectors=3, wait_for=2, preempt=0.5)
    assert {report.sums["env_steps"] for report in reports} == {40}
    with pytest.raises(
        ValueError, match="ds2cs learns from the rollouts of all collectors: with wait_"
    ):
        scheme("ds2cs", CARTPOLE_PPO, collectors=3, wait_for=2)


def test_a_recipe_without_ratios_goes_with_collectors_that_are_waited_for():
    """No rollout of older params: a2c's lag is 0 in its only update of a rollout."""
    recipe = a2c(envs.cartpole(2), A2C(num_steps=4, hidden=(8,)))
    for name in SCHEMES:
        if name.startswith("da"):
            with pytest.raises(
                ValueError, match=f"a2c does not go with the scheme {name}, as it has no"
            ):
                scheme(name, recipe)
        else:
            _, reports = train_until(scheme(name, recipe), recipe.init(0), 6)
            assert all(report.means["collection_lag"].value == 0 for report in reports)


FUNCTIONS = {
    "3cs": schemes.central,
    "3ds": schemes.decentralised_update,
    "2dacs": schemes.synchronous_gradients,
    "2daca": schemes.asynchronous_gradients,
    "ds2cs": schemes.synchronous_collection,
    "da2cs": schemes.asynchronous_collection,
    "dadacs": schemes.asynchronous_collection_synchronous_gradients,
    "dadaca": schemes.asynchronous_collection_and_gradients,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_its_word(name):
    """With the same arguments, which are those that the word takes."""
    given = scheme_arguments(name, collectors=4, learners=2, ahead=1)
    line, by_word = FUNCTIONS[name](CARTPOLE_PPO, **given), scheme(name, CARTPOLE_PPO, **given)
    cuts = [[x.arguments for x in pipe.stages if x.kind == "workers"] for pipe in (line, by_word)]
    assert cuts[0] == cuts[1] and repr(line) == repr(by_word)
    code = FUNCTIONS[name].__wrapped__.__code__
    assert set(code.co_varnames) - {"recipe"} == set(TAKES[name])


OPTIONS = {"collectors": "4", "learners": "4", "ahead": "1", "wait_for": "1", "preempt": "0.5"}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_command_line_takes_what_the_word_takes(name):
    """Any other option is refused by its name, though it has its default."""
    for option, value in OPTIONS.items():
        argv = ["--scheme", name, f"--{option.replace('_', '-')}", value]
        options = options_of("ppo", argv)
        if option in TAKES[name]:
            check_used(argv, options)
            continue
        with pytest.raises(ValueError, match=f"the scheme {name} takes no {option}; it"):
            check_used(argv, options)


def test_what_waits_in_a_word():
    """Read by hand: who has a cut, for how many it waits, and where the update is."""
    assert parse("3cs")[1:] == (None, None, False)
    assert parse("3ds")[1:] == (None, "all", True)
    assert parse("2daca")[1:] == (None, "one", False)
    assert parse("ds2cs")[1:] == ("all", None, False)
    assert parse("da2ds")[1:] == ("one", "all", True)
    assert parse("dsdaca")[1:] == ("all", "one", False)
