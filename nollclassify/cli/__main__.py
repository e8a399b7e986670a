"""`python -m nollclassify.cli`."""

from nollclassify.cli import main

main()
