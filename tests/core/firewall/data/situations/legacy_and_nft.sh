# ports: 22 9000 9001 9002 9003
# Three kinds of rules at once. What one accepts the others may still drop.
for p in 9000 9001 9002 9003; do busybox httpd -p $p -h /tmp; done
iptables-legacy -A INPUT -p tcp --dport 9000 -j DROP
iptables -A INPUT -p tcp --dport 9000 -j ACCEPT
iptables -A INPUT -p tcp --dport 9001 -j ACCEPT
iptables-legacy -A INPUT -p tcp --dport 9002 -j ACCEPT
iptables -A INPUT -p tcp --dport 9002 -j REJECT
nft -f - <<'RULES'
table ip own {
  chain in {
    type filter hook input priority 10;
    tcp dport 9001 drop
    tcp dport 9003 accept
  }
}
table ip6 own {
  chain in {
    type filter hook prerouting priority -200;
    tcp dport 9003 drop
  }
}
RULES
