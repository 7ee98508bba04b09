/* The floor: a CGI program that answers and does nothing else. */
#include <unistd.h>

int main(void)
{
    static const char answer[] = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
    return write(1, answer, sizeof answer - 1) < 0;
}
