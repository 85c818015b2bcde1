"""The plug-ins, written where the paint programs look for them, with how they reach and start engine-serve."""

import json
import os
import sys
from pathlib import Path
from typing import Literal

from data.files import write_atomically

PaintProgram = Literal["krita", "gimp"]

OPTION = "--install-plugin"
NAME = "glcic_engine"
HERE = Path(__file__).parent
STARTS = "from engine.commands.start import serve; serve()"

SETTINGS = "server.json"
"""The file beside a plug-in that it reads at each use."""

NEXT = {
    "krita": "Start Krita anew, tick 'Remove what is selected' in Settings > Configure Krita > Python Plugin Manager, "
    "and start it anew again; then it is in Tools > Scripts.",
    "gimp": "Start GIMP anew; then it is Filters > Enhance > Remove what is selected.",
}


def install(program: PaintProgram, address: str, token_file: Path | None, options: list[str]) -> str:
    """Write a program's plug-in, over one that is there; says in a line what was written, and in another what to do.

    It asks the server at `address`, with the token of a file, and starts one with `options` where none answers.
    ValueError if it is not known where the program looks.
    """
    folders = {"krita": krita_folders, "gimp": gimp_folders}[program]()
    settings = {
        "address": address,
        "token_file": None if token_file is None else str(token_file.absolute()),
        "start": [sys.executable, "-P", "-c", STARTS, *options, "--no-access-log"],
        "folder": str(Path.cwd() if options else Path.home()),
    }
    for folder in folders:
        write_files(HERE / program, folder)
        write_files(HERE / "engine_client", folder / NAME / "engine_client")
        write_atomically(folder / NAME / SETTINGS, json.dumps(settings, indent=2).encode() + b"\n")
    written = ", ".join(str(folder / NAME) for folder in folders)
    return f"Written: {written}; {SETTINGS} in it says how the server is reached and started.\n{NEXT[program]}"


def write_files(source: Path, target: Path) -> None:
    """All files of a folder, with what may be run."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(copy, path.read_bytes())
            if path.name == f"{NAME}.py":  # GIMP's, which it runs as a program
                copy.chmod(0o755)


def krita_folders() -> list[Path]:
    """The folder in which Krita looks for plug-ins of this user."""
    return [of_this_system("XDG_DATA_HOME", ".local/share") / "krita" / "pykrita"]


def gimp_folders() -> list[Path]:
    """The folders in which each GIMP 3 of this user looks for plug-ins. ValueError if none was ever started."""
    home = of_this_system("XDG_CONFIG_HOME", ".config") / "GIMP"
    if found := sorted(home.glob("3.*")):
        return [folder / "plug-ins" for folder in found]
    raise ValueError(f"there is no GIMP 3 in {home}; start it once, so that it makes its folder there")


def of_this_system(variable: str, otherwise: str) -> Path:
    """The folder in which programs keep what is this user's."""
    if sys.platform == "win32":
        return Path(os.environ["APPDATA"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get(variable) or Path.home() / otherwise)


def without_install(arguments: list[str]) -> list[str]:
    """The arguments of engine-serve without the option that installs, and what it names."""
    kept, named = [], False
    for argument in arguments:
        option, is_one, _ = argument.partition("=")
        if option.replace("_", "-") == OPTION:
            named = not is_one
        elif named:
            named = False
        else:
            kept.append(argument)
    return kept
