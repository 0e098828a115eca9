# ports: 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97
# What can be told: sets that time out, several parts at once, pools of ports, one family of a table for both, untracked
# packets, flags, queues that no program waits at; a table that rules fill, and a time, are not told.
for p in 80 81 82 83 84 85 86 87 88 89 90 91 92 93 95 96; do busybox httpd -p $p -h /tmp; done
nft -f - <<'N'
table inet own {
  set banned { type ipv4_addr; flags timeout; elements = { 203.0.113.1 timeout 1d }; }
  set both { type ipv4_addr . inet_service; flags interval; elements = { 203.0.113.60-203.0.113.70 . 81-82 }; }
  set seen { type ipv4_addr; flags dynamic, timeout; elements = { 203.0.113.66 timeout 1d }; }
  chain raw { type filter hook prerouting priority -300; tcp dport { 86, 87 } notrack; }
  chain nat {
    type nat hook prerouting priority -100;
    tcp dport 8080 redirect to :80
    tcp dport 94 dnat ip to 203.0.113.11:80
    tcp dport 97 redirect to :95-96
    tcp dport 98 redirect to :tcp dport map { 98 : 83 }
  }
  chain in {
    type filter hook input priority 0; policy accept;
    ip saddr @banned tcp dport 80 drop
    ip saddr . tcp dport @both drop
    tcp flags & (fin | syn | rst | psh | ack | urg) == 0x0 drop
    tcp dport 84 ct state new drop
    tcp dport 86 ct state new drop
    tcp dport 87 ct state untracked drop
    tcp dport 88 add @seen { ip saddr limit rate over 100/second burst 100 packets } drop
    ip saddr @seen tcp dport 88 drop
    tcp dport 89 meta hour "00:00"-"23:59" drop
    tcp dport 90 meta mark 0x1 drop
  }
}
N
iptables -t raw -A PREROUTING -p tcp --dport 93 -j CT --notrack
iptables -A INPUT -p tcp --dport 93 -m conntrack --ctstate UNTRACKED -j REJECT
iptables -A INPUT -p tcp --dport 91 -j NFQUEUE --queue-num 7
iptables -A INPUT -p tcp --dport 92 -j NFQUEUE --queue-num 7 --queue-bypass
iptables -A INPUT -p tcp --dport 92 -j DROP
