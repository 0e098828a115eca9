# ports: 80 81 82 83 84 8081 8082 8083
# Headers that are set without nat, packets handed to a socket, marks that are set and tested on the way.
for p in 80 81 82 83 84; do busybox httpd -p $p -h /tmp; done
nft -f - <<'N'
table inet own {
  chain early {
    type filter hook prerouting priority -300;
    tcp dport 8081 tcp dport set 81 notrack
    tcp dport 82 meta mark set 0x1
    tcp dport 83 meta mark set 0x2
  }
  chain in {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    tcp dport 81 accept
    meta mark 0x1 accept
    meta mark & 0x2 == 0x2 reject
    tcp dport 80 accept
  }
}
N
