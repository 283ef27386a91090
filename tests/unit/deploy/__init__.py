"""Set-up and the files an operator takes."""
