"""The verbs of reader studies."""

from pathlib import Path
from typing import Annotated

import typer

from synthmed.cli._app import Json, Out, Seed, Study, progress_bar, study, tell


@study.command("new")
def study_new(real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set, or a folder.")], out: Out,
              synthetic: Annotated[list[str], typer.Option(metavar="[NAME=]SAMPLES",
                                   help="Sample set, or a folder; may be given again.")],
              paradigm: Annotated[str, typer.Option(help="yes_no, rating5, two_alternative or locate.")] = "yes_no",
              num: Annotated[int, typer.Option(help="Scored images of each synthetic set.")] = 50,
              readers: Annotated[int, typer.Option(help="Planned readers, for the sample size.")] = 2,
              sessions: Annotated[int, typer.Option(help="Sessions of every reader.")] = 1,
              margin: Annotated[float, typer.Option(help="Of the equivalence test, fixed now; 0 = no test.")] = 0.0,
              overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE",
                                   help="Change a setting, such as warmup=24.")] = None,
              seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Choose images, audit the blinding and freeze the protocol."""
    from synthmed.reading.design import study_new as run

    with progress_bar("Choosing images"):
        made = run(real, out, synthetic=synthetic, paradigm=paradigm, num=num, readers=readers, sessions=sessions,
                   margin=margin, overrides=overrides or (), seed=seed)  # fmt: skip
    tell(as_json, f"{made.summary}\nNext: synthmed study invite {out} NAME, and synthmed study serve {out}", out=out,
          digest=made.study.digest, cases=len(made.study.cases), half_width=made.size.one_reader,
          cues=list(made.cues))  # fmt: skip


@study.command("invite")
def study_invite(study: Study, reader: Annotated[str, typer.Argument(metavar="READER", help="Name or pseudonym.")],
                 address: Annotated[str, typer.Option(help="Where the server is reached.")] = "http://127.0.0.1:8123",
                 as_json: Json = False) -> None:  # fmt: skip
    """Make a reader's link, or a new one in place of the old; it is shown once."""
    from synthmed.reading.serving import study_invite as run

    link = run(study, reader, address=address)
    tell(as_json, link, reader=reader, link=link)


@study.command("serve")
def study_serve(study: Study,
                host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
                port: Annotated[int, typer.Option(help="Port to listen on.")] = 8123,
                address: Annotated[str, typer.Option(metavar="URL", help="How readers reach it, where that "
                                                     "differs: https://HOST.")] = "",
                tls_cert: Annotated[Path | None, typer.Option(help="Certificate with its chain, PEM.")] = None,
                tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
                behind_proxy: Annotated[bool, typer.Option("--behind-proxy",
                                        help="Behind a proxy that handles TLS.")] = False) -> None:  # fmt: skip
    """Serve a study to browsers until Ctrl-C; answers are on the disk when they are acknowledged."""
    from synthmed.reading.serving import study_serve as run

    run(study, host=host, port=port, address=address, tls_cert=tls_cert, tls_key=tls_key, behind_proxy=behind_proxy,
        ready=lambda place: print(f"Serving {study} at {place}; end with Ctrl-C.", flush=True))  # fmt: skip


@study.command("simulate")
def study_simulate(study: Study,
                   readers: Annotated[int, typer.Option(help="Simulated readers, all at once.")] = 3,
                   d_prime: Annotated[float, typer.Option(help="Sensitivity in the middle of the trials.")] = 1.0,
                   criterion: Annotated[float, typer.Option(help="Above 0 they lean to real.")] = 0.0,
                   drift: Annotated[float, typer.Option(help="Change of d' from first to last trial.")] = 0.0,
                   lapse: Annotated[float, typer.Option(help="Share of trials answered at random.")] = 0.0,
                   consistency: Annotated[float, typer.Option(help="Share of noise that an image keeps.")] = 0.5,
                   think: Annotated[float, typer.Option(help="Seconds before each answer.")] = 0.0,
                   address: Annotated[str, typer.Option(metavar="URL", help="A running server, if any.")] = "",
                   seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Let simulated readers answer through the real interface; reports say so."""
    from synthmed.reading.simulate import study_simulate as run

    with progress_bar("Reading"):
        courses = run(study, readers=readers, d_prime=d_prime, criterion=criterion, drift=drift, lapse=lapse,
                      consistency=consistency, think=think, address=address, seed=seed)  # fmt: skip
    answers = sum(len(course.acknowledged) for course in courses)
    tell(as_json, f"{readers} simulated readers gave {answers} answers. Next: synthmed study report {study} REPORT",
          readers=readers, answers=answers)  # fmt: skip


@study.command("report")
def study_report(study: Annotated[Path, typer.Argument(metavar="STUDY|CSV", help="Folder of the study, or a table with "
                                                       "reader, case, modality, truth, rating.")], out: Out,
                 as_json: Json = False) -> None:  # fmt: skip
    """Analyse the answers so far: report.html, report.json, tables for other programs."""
    from synthmed.reading.report import study_report as run

    with progress_bar("Analysing"):
        report = run(study, out)
    tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)


@study.command("backup")
def study_backup(study: Study, out: Annotated[Path, typer.Argument(metavar="FILE", help="New file.")],
                 as_json: Json = False) -> None:  # fmt: skip
    """Write all answers so far into a new file, while readers work."""
    from synthmed.reading.store import study_backup as run

    tell(as_json, f"The answers so far are in {run(study, out)}.", out=out)
