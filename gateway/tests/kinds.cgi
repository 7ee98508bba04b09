#!/bin/sh
# A CGI program of every kind, by its PATH_INFO.
case $PATH_INFO in
/document) printf 'Content-Type: text/plain\nStatus: 202 Taken\n\n%s %s' "$REQUEST_METHOD" "$QUERY_STRING" ;;
/length) printf 'Content-Type: text/plain\nContent-Length: 4\n\nfour' ;;
/body) printf 'Content-Type: text/plain\nContent-Length: %s\n\n' "$CONTENT_LENGTH" && cat ;;
/local) printf 'Location: %s/document?from=local\n\n' "$SCRIPT_NAME" ;;
/circle) printf 'Location: %s/circle\n\n' "$SCRIPT_NAME" ;;
/client) printf 'Location: http://example.org/\n\n' ;;
/environment) printf 'Content-Type: text/plain\n\n' && env | sort ;;
/nothing) echo "a complaint" >&2 ;;
/late)
    sleep 600 &
    echo "sleeps as $!" >&2
    wait
    ;;
/waits)
    printf 'Content-Type: text/plain\n\nbegun\n'
    while [ ! -e "$FLAG" ]; do sleep 0.01; done
    echo ended
    ;;
/works | /bare)
    case $PATH_INFO in
    /works) printf 'Content-Type: text/plain\nContent-Length: 4\n\nfour' ;;
    /bare) printf 'Status: 204\n\n' ;;
    esac
    while [ ! -e "$FLAG" ]; do sleep 0.01; done
    printf 'five!'
    echo "worked" >&2
    ;;
/pauses)
    sleep 0.1
    printf 'Content-Type: text/plain\nContent-Length: 4\n\nfour'
    ;;
/dies)
    printf 'Content-Type: text/plain\n\nsome'
    kill -9 $$
    ;;
esac
