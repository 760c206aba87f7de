"""`python -m fsbilling` is the command `fsbilling`."""

from fsbilling.cli.main import main

main()
