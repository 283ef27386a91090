"""The numbered steps that bring a SQLite file to the schema of this version, run by Alembic.

A step only ever adds (a table, a column with a default, an index): version N-1 may open what N migrated
no more, but a row that N-1 wrote is read by N, and fields inside a body are the domains' own affair.
"""
