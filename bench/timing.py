"""How long one CGI process takes."""

import os
import sys
import time

REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "localhost",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}


def milliseconds(command, environment=REQUEST):
    """From exec to exit, and to the end of the response, which fits into a pipe; then waits for what lives on."""
    read, write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_CLOSE, read),
    ]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], [str(word) for word in command], environment, file_actions=actions)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    exit = (time.perf_counter() - start) * 1000
    output = b""
    while piece := os.read(read, 65536):
        output += piece
    end = (time.perf_counter() - start) * 1000
    os.close(read)
    if status or not output.startswith(b"Status: 200"):
        sys.exit(f"{command} failed: {status} {output[:200]}")
    # Our interpreter goes away, and the next spare is forked, after the process that was measured: not at the
    # cost of the next one.
    time.sleep(0.02)
    return exit, end
