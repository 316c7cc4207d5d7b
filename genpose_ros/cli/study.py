"""`genpose study`: the paper's studies on synthetic views, with tables and pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.options import (
    DeviceOption,
    Preset,
    SeedOption,
    WeightsOption,
    chosen_settings,
    load_estimator,
)

if TYPE_CHECKING:
    from genpose_ros.evaluation.studies import StudyResult, ViewCandidates, ViewTruth

__all__ = ["study_app"]

study_app = typer.Typer(
    help="Repeat the paper's studies on synthetic views of shapes that were not trained on.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

ViewsOption = Annotated[int, typer.Option(help="How many views.", min=60)]
MeshesOption = Annotated[
    Path | None, typer.Option(help="Folder of meshes with a manifest.json, for half of them.")
]
SplitOption = Annotated[str, typer.Option(help="The manifest's split to take.")]
ViewsSeedOption = Annotated[int, typer.Option(help="Seed of the views.", min=0)]
ResultsOption = Annotated[Path, typer.Option(help="Folder for study_NAME.json.")]
PicturesOption = Annotated[
    Path | None, typer.Option(help="Folder for study_NAME.png; default: that of the results.")
]
DocsOption = Annotated[
    Path | None,
    typer.Option(help="A Markdown file whose tables, between markers, are written anew."),
]
RunOption = Annotated[
    Path | None, typer.Option(help="Folder of small models: genpose study train.")
]


@dataclass(frozen=True)
class _Session:
    """What the studies of one command share: the views and their candidates are made once."""

    views: int
    views_seed: int
    meshes: Path | None
    split: str
    weights: Path | None
    seed: int
    device: str
    results: Path
    pictures: Path
    run: Path | None

    @cached_property
    def settings(self) -> Any:
        return chosen_settings(Preset.FAST, self.weights, self.seed, self.device, None)

    @cached_property
    def estimator(self) -> Any:
        return load_estimator(self.settings)

    @cached_property
    def _rendered(self) -> Any:
        from genpose_ros.evaluation import synthetic_views
        from genpose_ros.synthesis import load_meshes

        known = () if self.meshes is None else load_meshes(self.meshes, self.split)
        with ERR.status("rendering the views"):
            return synthetic_views(self.views, self.views_seed, known)

    @cached_property
    def truth(self) -> "ViewTruth":
        from genpose_ros.evaluation.studies import ViewTruth

        return ViewTruth.of(self._rendered)

    @cached_property
    def candidates(self) -> "ViewCandidates":
        from genpose_ros.evaluation.studies import CANDIDATES, draw_view_candidates

        with progress_bar("candidates") as progress:
            task = progress.add_task("", total=self.views)
            return draw_view_candidates(
                self.estimator, self._rendered, CANDIDATES, lambda n: progress.advance(task, n)
            )

    @property
    def small(self) -> Path:
        if self.run is None:
            raise ValueError("name the folder of the small models: --run DIR (genpose study train)")
        return self.run

    def check(self, names: list[str]) -> None:
        """Refuse before the work what cannot be written after it."""
        from genpose_ros.evaluation.studies import results_file

        for name in names:
            check_outputs(results_file(self.results, name))
        check_outputs(self.pictures / "study.png")

    def finish(self, result: "StudyResult") -> None:
        """Store numbers and pictures, and print the table."""
        from rich.markdown import Markdown

        from genpose_ros.evaluation import write_results
        from genpose_ros.evaluation.plots import save_figure
        from genpose_ros.evaluation.studies import TABLES, results_file

        path = results_file(self.results, result.name)
        write_results(path, result.content, weights=self.weights, seed=self.seed)
        for name, figure in result.figures.items():
            save_figure(figure, self.pictures / f"{name}.png")
        OUT.rule(result.name)
        OUT.print(Markdown(TABLES[result.name](result.content)))
        shown = [path, *(self.pictures / f"{name}.png" for name in result.figures)]
        ERR.print("written: " + ", ".join(map(str, shown)), markup=False, soft_wrap=True)


def _best_of_k(session: _Session) -> "StudyResult":
    """Table 1: the pooled pose, and the best of K candidates for K up to 50."""
    from genpose_ros.evaluation.studies import best_of_k

    return best_of_k(session.candidates)


def _candidates(session: _Session) -> "StudyResult":
    """Table 2: how many candidates are drawn, and which share of them is kept."""
    from genpose_ros.evaluation.studies import candidate_numbers

    return candidate_numbers(session.candidates)


def _ranking(session: _Session) -> "StudyResult":
    """Table 3: random, density, energy, likelihood and ground-truth ranking, and pooling."""
    from genpose_ros.evaluation.studies import ranking

    return ranking(session.candidates, session.estimator)


def _categories(session: _Session) -> "StudyResult":
    """Table 4: per category."""
    from genpose_ros.evaluation.studies import categories

    return categories(session.candidates)


def _unseen(session: _Session) -> "StudyResult":
    """Table 5: small models trained without a category, on views of it (needs --run)."""
    from genpose_ros.evaluation.studies import unseen

    small = session.small  # first: it may be missing
    return unseen(session.truth, small)


def _tracking(session: _Session) -> "StudyResult":
    """Table 6: what genpose evaluate tracking stored as tracking.json among the results."""
    from genpose_ros.evaluation.studies import tracking

    return tracking(session.results / "tracking.json")


def _energy(session: _Session) -> "StudyResult":
    """Figure 3: the energy of candidates against their errors."""
    from genpose_ros.evaluation.studies import energy

    return energy(session.candidates)


def _distribution(session: _Session) -> "StudyResult":
    """Figure 4: the rotations thought possible of a round object and of mugs."""
    from genpose_ros.evaluation.studies import distribution

    return distribution(session.candidates, session.estimator)


def _features(session: _Session) -> "StudyResult":
    """Figure 5: the features of the clouds by t-SNE (needs scikit-learn)."""
    from genpose_ros.evaluation.studies import features

    return features(session.candidates)


def _baselines(session: _Session) -> "StudyResult":
    """ICP to a template and a box around the points, on the same views."""
    from genpose_ros.evaluation.studies import baselines

    candidates = session.candidates
    with progress_bar("poses of baselines") as progress:
        task = progress.add_task("", total=None)
        return baselines(
            candidates, session.estimator, on_views=lambda n: progress.advance(task, n)
        )


def _small_models(session: _Session) -> "StudyResult":
    """Direct regression and diffusion after the same short training (needs --run)."""
    from genpose_ros.evaluation.studies import small_models

    small = session.small  # first: it may be missing
    return small_models(session.truth, small)


def _cases(session: _Session) -> "StudyResult":
    """A picture per category of the best and the worst cases."""
    from genpose_ros.evaluation.studies import cases

    return cases(session.candidates)


#: All studies, cheap ones first.
_STUDIES: dict[str, Callable[[_Session], "StudyResult"]] = {
    "best-of-k": _best_of_k,
    "candidates": _candidates,
    "categories": _categories,
    "energy": _energy,
    "distribution": _distribution,
    "cases": _cases,
    "features": _features,
    "ranking": _ranking,
    "baselines": _baselines,
    "small-models": _small_models,
    "unseen": _unseen,
    "tracking": _tracking,
}


def _register(name: str, study: Callable[[_Session], "StudyResult"]) -> None:
    @study_app.command(name, help=study.__doc__)
    @readable_errors
    def command(
        views: ViewsOption = 2000,
        meshes: MeshesOption = None,
        split: SplitOption = "test",
        views_seed: ViewsSeedOption = 2_000_000,
        weights: WeightsOption = None,
        seed: SeedOption = 0,
        device: DeviceOption = "auto",
        results: ResultsOption = Path("studies"),
        pictures: PicturesOption = None,
        run: RunOption = None,
    ) -> None:
        session = _Session(
            views, views_seed, meshes, split, weights, seed, device,
            results, pictures or results, run,
        )  # fmt: skip
        session.check([name])
        session.finish(study(session))


for _name, _study in _STUDIES.items():
    _register(_name, _study)


@study_app.command("all")
@readable_errors
def study_all(
    views: ViewsOption = 2000,
    meshes: MeshesOption = None,
    split: SplitOption = "test",
    views_seed: ViewsSeedOption = 2_000_000,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    results: ResultsOption = Path("studies"),
    pictures: PicturesOption = None,
    run: RunOption = None,
    docs: DocsOption = None,
) -> None:
    """All studies, with the views and their candidates made once.

    Without --run, the studies of small models are left out; without tracking.json among the
    results, that of tracking.

    Example:

    - `genpose study all --meshes MESHES --results docs/results --pictures docs/images
      --docs docs/evaluation.md`
    """
    session = _Session(
        views, views_seed, meshes, split, weights, seed, device,
        results, pictures or results, run,
    )  # fmt: skip
    left_out = [] if run is not None else ["small-models", "unseen"]
    if not (results / "tracking.json").is_file():
        left_out.append("tracking")
    names = [name for name in _STUDIES if name not in left_out]
    session.check(names)
    if docs is not None:
        docs.read_text(encoding="utf-8")
    for name in names:
        session.finish(_STUDIES[name](session))
    if left_out:
        ERR.print(f"left out: {', '.join(left_out)} (see --help)", soft_wrap=True)
    if docs is not None:
        _write_docs(docs, results)


@study_app.command("docs")
@readable_errors
def study_docs(
    docs: Annotated[Path, typer.Argument(help="Markdown file with <!-- table NAME --> markers.")],
    results: ResultsOption = Path("studies"),
) -> None:
    """Write the tables of stored results into a document, without running anything.

    Example:

    - `genpose study docs docs/evaluation.md --results docs/results`
    """
    _write_docs(docs, results)


def _write_docs(docs: Path, results: Path) -> None:
    from genpose_ros.evaluation.studies import TABLES, write_tables

    written, missing = write_tables(docs, results, TABLES)
    ERR.print(f"{docs}: {len(written)} tables written", markup=False, soft_wrap=True)
    if missing:
        ERR.print(f"not run yet, left as they are: {', '.join(missing)}", soft_wrap=True)


@study_app.command("train")
@readable_errors
def study_train(
    data: Annotated[Path, typer.Argument(help="Folder of a set: genpose synthesize.")],
    run: Annotated[Path, typer.Argument(help="Folder for the small models.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps of each.", min=1)] = 2000,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Train this one alone: diffusion, regression, without-mug and so on."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Train the small models that unseen and small-models compare: by steps, on the CPU.

    Models that the folder has already are kept.

    Examples:

    - `genpose synthesize clouds --clouds 50000` then `genpose study train clouds small`

    - `genpose study train clouds small --only diffusion --only without-mug`
    """
    from genpose_ros.evaluation.studies.small_training import (
        SMALL_MODELS,
        SmallTraining,
        train_missing,
    )

    settings = SmallTraining(steps=steps, seed=seed)
    with progress_bar("steps", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=steps, state="")

        def on_step(name: str, step: int, loss: float) -> None:
            progress.update(task, completed=step, state=f"{name}  loss {loss:.3f}")

        train_missing(data, run, only or list(SMALL_MODELS), settings, on_step)
    ERR.print(f"trained: {run}", markup=False, soft_wrap=True)
