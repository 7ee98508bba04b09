#!/bin/sh
# What a CGI program does: variables in, a head and a page out.
echo "Content-Type: text/plain"
echo
echo "Hello from $SCRIPT_NAME, $REMOTE_ADDR."
echo "You asked for ${PATH_INFO:-nothing more} with the query \"$QUERY_STRING\"."
