#!/bin/sh
# The host's side of shared hosting, as cPanel has it: a virtual host for each account, whose scripts suexec runs as the
# account's user. Run as root before the page is followed.
set -eu
printf '/home\npublic_html\n' >/etc/apache2/suexec/www-data
install -d -m 755 -o you -g you /home/you/public_html
chmod 711 /home/you
cat >/etc/apache2/sites-available/you.conf <<'END'
<VirtualHost *:80>
    ServerName localhost
    DocumentRoot /home/you/public_html
    SuexecUserGroup you you
    <Directory /home/you/public_html>
        Options None
        AllowOverride All
        Require all granted
    </Directory>
</VirtualHost>
END
a2enmod --quiet cgid suexec >/dev/null
a2dissite --quiet 000-default >/dev/null
a2ensite --quiet you >/dev/null
service apache2 start >/dev/null 2>&1
