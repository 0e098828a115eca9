# ports: 22 8000 8001
# The tables of Docker's nftables backend (29), built by hand round one namespace that plays the container.
systemctl stop docker.socket docker; ip link del docker0; nft flush ruleset
ip netns add c1; ip link add br-c1 type bridge; ip link set br-c1 up; ip addr add 172.18.0.1/16 dev br-c1
ip link add v1 type veth peer name eth0 netns c1; ip link set v1 master br-c1 up
ip -n c1 addr add 172.18.0.2/16 dev eth0; ip -n c1 link set eth0 up; ip -n c1 route add default via 172.18.0.1
ip netns exec c1 busybox httpd -p 80 -h /tmp; ip netns exec c1 busybox httpd -p 81 -h /tmp
sysctl -qw net.ipv4.ip_forward=1
nft -f - <<'RULES'
table ip docker-bridges {
  map filter-forward-in-jumps { type ifname : verdict; elements = { "br-c1" : jump filter-forward-in__br-c1 } }
  map filter-forward-out-jumps { type ifname : verdict; elements = { "br-c1" : jump filter-forward-out__br-c1 } }
  chain filter-forward-in__br-c1 {
    ct state established,related counter accept
    iifname "br-c1" counter accept comment "ICC"
    ip daddr 172.18.0.2 tcp dport 80 counter accept
    counter drop comment "UNPUBLISHED PORT DROP"
  }
  chain filter-forward-out__br-c1 { ct state established,related counter accept; counter accept comment "OUTGOING"; }
  chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-in-jumps
    iifname vmap @filter-forward-out-jumps
  }
  chain nat-prerouting-and-output {
    iifname != "br-c1" tcp dport 8000 counter dnat to 172.18.0.2:80 comment "DNAT"
    iifname != "br-c1" tcp dport 8001 counter dnat to 172.18.0.2:81 comment "DNAT"
  }
  chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
  }
  chain raw-PREROUTING {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 172.18.0.2 iifname != "br-c1" counter drop comment "DROP DIRECT ACCESS"
  }
}
table ip6 docker-bridges {
  chain filter-FORWARD { type filter hook forward priority filter; policy accept; }
}
table inet admin {
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    ct original proto-dst 8000 ip saddr 203.0.113.1 drop
  }
}
RULES
