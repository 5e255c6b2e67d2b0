"""`python -m synagents` is the command `synagents`."""

from synagents.cli.entry import main

if __name__ == "__main__":
    main()
