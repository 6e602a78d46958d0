"""One command from a bare Python to a running exchange: environment, servers, supervisor.

`manage.py up`, `down`, `status`, `logs` and `test` live here, in the standard library alone, since
they run before anything else is installed. Invariant: whatever stops them is told to the operator
in one sentence that says what was found and what to do, never as a traceback.
"""
