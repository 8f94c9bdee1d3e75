"""The `nbutils` command: parse and call."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from nbutils import __version__
from nbutils.errors import NotebookFailedError, ParameterError
from nbutils.exits import DIFFERENT, DONE, Stopped, command_again, exit_code_of, obey_sigterm

if TYPE_CHECKING:
    from nbutils.progress import Limits
    from nbutils.runs import StudyRun


class _Group(typer.core.TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped from error


app = typer.Typer(
    name="nbutils",
    cls=_Group,
    help="Parameterized notebooks that fine-tune BERT on labelled text and publish HTML reports.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    if version:
        print(f"nbutils {__version__}")
        raise typer.Exit


@app.command()
def run(
    params: Annotated[Path, typer.Argument(help="Study file, such as params/quickstart.yaml.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("-p", "--set", metavar="SECTION.KEY=VALUE", help="Change one parameter."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study and its report.")] = None,
    reports_dir: Annotated[Path, typer.Option(help="Where reports go.")] = Path("reports"),
    runs_dir: Annotated[Path, typer.Option(help="Where stage folders go.")] = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run all, whatever is there.")] = False,
    cell_timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds that one notebook cell may take.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes that the whole run may take.")
    ] = None,
) -> None:
    """Run a study: its notebooks, then their reports. What has not changed is not run again."""
    from nbutils.params.study import load_study

    # a report shows the command with ~, which a shell expands at the start of a word alone
    reports_dir, runs_dir = reports_dir.expanduser(), runs_dir.expanduser()
    study = load_study(params.expanduser(), overrides=set_ or [], name=name)
    from nbutils.runs import RunOptions
    from nbutils.study import check_study, run_study

    check_study(study)
    for caution in study.fine_tune.cautions():
        print(f"caution: {caution}")
    watcher = _watcher()
    try:
        done = run_study(
            study,
            command=command_again(),
            options=RunOptions(runs_dir, reports_dir, fresh, _limits(cell_timeout, time_limit)),
            watcher=watcher,
        )
    except NotebookFailedError:
        page = reports_dir / study.name / "index.html"
        if page.is_file():
            print(f"report: {page}")
        raise
    finally:
        watcher.close()
    _show_result(done)


def _limits(cell_seconds: float | None, run_minutes: float | None) -> Limits:
    from nbutils.progress import Limits

    deadline = None if run_minutes is None else time.monotonic() + 60 * run_minutes
    return Limits(cell_seconds, deadline, run_minutes)


def _watcher() -> Any:
    from nbutils.console import LiveConsole, PlainConsole

    return LiveConsole() if sys.stdout.isatty() else PlainConsole()


def _show_result(done: StudyRun) -> None:
    from nbutils.console import describe_result

    for line in describe_result(done):
        print(line)
    print(f"report: {done.report_dir / 'index.html'}")


@app.command()
def params(
    section: Annotated[
        str | None,
        typer.Argument(help="data_prep, fine_tune, error_analysis, benchmark or target."),
    ] = None,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON schema of a study file.")
    ] = False,
) -> None:
    """Show every parameter: type, default, bounds, meaning."""
    from nbutils.params.describe import describe_parameters, study_schema

    print(study_schema(section) if json_schema else describe_parameters(section))


@app.command()
def report(
    notebook: Annotated[Path, typer.Argument(help="An executed notebook.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file; none: beside the notebook.")
    ] = None,
) -> None:
    """Make a self-contained HTML page of any executed notebook."""
    from nbutils.report import page_of_notebook, write_notebook_report

    destination = output or notebook.with_suffix(".html")
    write_notebook_report(notebook, destination, page_of_notebook(notebook))
    print(destination)


@app.command()
def site(
    reports_dir: Annotated[Path, typer.Option(help="Where reports are.")] = Path("reports"),
) -> None:
    """Rebuild the page that lists all runs."""
    from nbutils.report.site import write_site

    print(write_site(reports_dir))


@app.command()
def reproduce(
    report: Annotated[Path, typer.Argument(help="A study's report, or any page of it.")],
    check: Annotated[
        bool, typer.Option("--check", help="Do not train: was it edited, are its inputs here?")
    ] = False,
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="The data, where it is not as recorded.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PATH", help="The checkpoint, likewise.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Gets a folder for the new run.")] = Path("runs"),
    reports_dir: Annotated[
        Path | None, typer.Option(help="Keep the new run's report there; none: with the run.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Train though the inputs are not the report's.")
    ] = False,
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run the checkpoint's own code, as the report."),
    ] = False,
) -> None:
    """Run a report again from what it carries, and compare; exit code 3 says that it differs."""
    from nbutils import reproduce as again

    if check:
        found = again.check_report(report, data=data, model=model)
        print(again.describe_check(found))
        raise typer.Exit(DONE if found.good else DIFFERENT)
    options = again.ReproduceOptions(
        data=data,
        model=model,
        runs_dir=runs_dir,
        reports_dir=reports_dir,
        anyway=anyway,
        trust_remote_code=trust_remote_code,
    )
    watcher = _watcher()
    try:
        result = again.reproduce_report(report, options=options, watcher=watcher)
    finally:
        watcher.close()
    print(again.describe_reproduction(result))
    raise typer.Exit(DONE if result.reproduced else DIFFERENT)


@app.command()
def cache(
    runs_dir: Annotated[Path, typer.Option(help="Where stage folders are.")] = Path("runs"),
    reports_dir: Annotated[Path, typer.Option(help="Where reports are.")] = Path("reports"),
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what no report uses, and what was given up.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --prune: remove all that no running process needs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --prune: only say what would be removed.")
    ] = False,
) -> None:
    """List what earlier runs left to be used again; --prune removes what is not needed."""
    from nbutils import cache as cached

    if not prune:
        if everything or dry_run:
            raise ParameterError(
                "--all, --dry-run: they go with --prune; add it, or leave them out"
            )
        print(cached.describe_cache(cached.list_cache(runs_dir, reports_dir=reports_dir)))
        return
    pruned = cached.prune_cache(
        runs_dir, reports_dir=reports_dir, everything=everything, dry_run=dry_run
    )
    print(cached.describe_pruned(pruned, dry_run=dry_run))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Start JupyterLab on the notebooks, with this Python; more options go to JupyterLab."""
    from nbutils.lab import prepare_lab

    start = prepare_lab(context.args)
    print(f"notebooks: {start.project / 'notebooks'}", flush=True)
    os.chdir(start.project)
    os.execve(start.command[0], start.command, start.environment)


@app.command()
def doctor() -> None:
    """Show what this machine can do: torch, device, bf16, threads, memory, browser."""
    from nbutils.doctor import examine

    for name, finding in examine().items():
        print(f"{name:<14}{finding}")


def main() -> None:
    """Run the command and leave with its exit code."""
    # jsonschema, which nbformat imports, makes grammars of addresses for two seconds where it
    # finds this package (python-jsonschema/jsonschema#1428). No notebook has such addresses.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    obey_sigterm()
    sys.exit(exit_code_of(lambda: app(standalone_mode=False)))


if __name__ == "__main__":
    main()
