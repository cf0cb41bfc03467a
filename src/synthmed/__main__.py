"""``python -m synthmed`` is the command ``synthmed``."""

from synthmed.cli import main

main()
