"""Processes that a test has started."""


def kill(process):
    """Ends it, if it has not ended, and closes its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
