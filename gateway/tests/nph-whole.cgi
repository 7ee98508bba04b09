#!/bin/sh
# A whole HTTP response (RFC 3875 section 5).
printf 'HTTP/1.1 299 Mine\r\nX-Own: yes\r\n\r\nall of it'
