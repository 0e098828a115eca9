# ports: 22 80 81 5432 6000 7000
# Every shape of user rule: limit, ranges, lists, a source, an interface, one protocol, both, reject, an inserted deny.
ufw limit 22/tcp; ufw allow 80; ufw allow 81,82/tcp; ufw allow 6000:6010/tcp; ufw reject 7000/tcp
ufw allow from 10.0.0.0/8 to any port 5432 proto tcp; ufw allow in on eth0 to 203.0.113.11 port 443 proto udp
ufw insert 1 deny from 203.0.113.66; ufw route allow in on eth0 out on docker0 to 172.17.0.2 port 8080 proto tcp
ufw deny out 25/tcp
ufw --force enable
for p in 80 81 5432 6000 7000; do busybox httpd -p $p -h /tmp; done
