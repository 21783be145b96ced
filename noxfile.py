"""``nox`` runs the tests; ``nox -l`` lists the rest."""

import shutil

import nox

nox.options.sessions = ["tests"]

IMPORTED = """
import glob, os, sys
(wheel,) = glob.glob(os.path.join(sys.argv[1], "nappo2-*.whl"))
sys.path.insert(0, wheel)
import nappo2
assert wheel in nappo2.__file__, nappo2.__file__
print(f"imported nappo2 {nappo2.__version__} from its wheel")
"""  # a wheel of Python code can be imported as it is


@nox.session
def tests(session):
    """Layout, types, all tests but whole learning runs and what is timed, and the wheel."""
    # what is imported is compiled then: of 22,000 modules a sixth
    session.install("--no-compile", ".[test]", "ruff", "mypy")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("pytest", "-q", "-n", "2", "--dist", "loadgroup", *session.posargs)
    directory = session.create_tmp()
    session.run("pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", directory, ".")
    session.run("python", "-P", "-c", IMPORTED, directory)


@nox.session(python=["3.11", "3.12", "3.13"])
def pythons(session):
    """Import and a short run on each Python that is installed here, without what has no wheel there."""
    session.install(".")
    session.run("nappo2", "--version")
    directory = session.create_tmp()
    short = (
        "--total-steps",
        "512",
        "--num-envs",
        "2",
        "--num-steps",
        "64",
        "--num-minibatches",
        "4",
    )
    session.run("nappo2", "train", *short, "--log-dir", f"{directory}/run")
    session.run("nappo2", "eval", f"{directory}/run", "--episodes", "2")


@nox.session
def learning(session):
    """Whole learning runs, minutes each; ``nox -s learning -- -s`` shows their figures."""
    session.install(".[test]")
    session.run("pytest", "-q", "-m", "learning", *session.posargs)


@nox.session
def faults(session):
    """What goes wrong, and all combinations of which the tests try each pair, at length."""
    session.install(".[test]")
    session.run("pytest", "-q", "-m", "faults", *session.posargs)


@nox.session
def exports(session):
    """Agents of all recipes in all formats; ``nox -s exports -- -s`` shows how far they are off."""
    session.install(".[test]")
    session.run("pytest", "-q", "-m", "exports", *session.posargs)


@nox.session
def loggers(session):
    """Loggers whose packages the tests do not need otherwise."""
    session.install(".[test,wandb,mlflow,trackio]")
    session.run("pytest", "-q", "tests/runs/test_loggers.py", *session.posargs)


@nox.session
def soak(session):
    """Three minutes each for three schemes, with a kill, an error or a hang every 10 s."""
    session.install(".[test]")
    session.run("pytest", "-q", "-s", "-m", "faults", "-k", "soak", *session.posargs)


@nox.session
def bench(session):
    """What is timed: ``nox -s bench -- locomotion`` for one of them."""
    session.install(".[test,bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def zoo(session):
    """Learning curves, kept in evidence/results: ``nox -s zoo -- ppo-cartpole``; ``-- --list`` shows all."""
    session.install(".[test,pybullet]")
    session.run("python", "-m", "evidence", *session.posargs)


@nox.session
def jax(session):
    """PPO in torch environments beside the same program in JAX, which has an environment of its own."""
    session.install(".[test]")
    peer = f"{session.create_tmp()}/jax"
    session.run("python", "-m", "venv", peer)
    # gymnax 1.0 returns six values from step; 0.0.9 does not say that it needs six, too
    packages = ("jax", "flax", "optax", "gymnax==0.0.9", "six")
    session.run(f"{peer}/bin/pip", "install", "--quiet", *packages, external=True)
    session.run("python", "-m", "benchmarks", f"race:{peer}/bin/python")


@nox.session
def offline(session):
    """IQL and TD3+BC on recorded data beside d3rlpy's, which has an environment of its own."""
    session.install(".[test]")
    peer = f"{session.create_tmp()}/d3rlpy"
    session.run("python", "-m", "venv", peer)
    session.run(
        f"{peer}/bin/pip", "install", "--quiet", "d3rlpy", "torch>=2.13,<2.14", external=True
    )
    session.run("python", "-m", "evidence.offline", f"{peer}/bin/python", *session.posargs)


@nox.session
def registry(session):
    """1,000 steps of every environment of Gymnasium's registry; ``nox -s registry -- 'Fetch*'`` for some."""
    session.install(".[test,pybullet]")
    session.run("python", "-m", "benchmarks.registry", *session.posargs)


@nox.session
def docs(session):
    """The site, without a warning, into docs/_build/html, and its pages in a browser."""
    session.install(".[test,docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-E", "docs", "docs/_build/html")
    if not shutil.which("chromium"):
        session.run("playwright", "install", "chromium")
    session.run("pytest", "-q", "-m", "docs", *session.posargs)


@nox.session
def compare(session):
    """PPO beside Stable-Baselines3, as a table and a picture in docs/."""
    session.install(".[test,bench]")
    session.run("python", "-m", "benchmarks.compare", *session.posargs)


@nox.session
def notebooks(session):
    """Each notebook twice in one kernel, and one that is interrupted and goes on."""
    session.install(".[test]")
    session.run("pytest", "-q", "-m", "notebooks", *session.posargs)
