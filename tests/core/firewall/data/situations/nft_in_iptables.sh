# ports: 80 81 82 83 84 85 86 87 88 89 90 443 9100
# Rules that nft put into tables that iptables-nft made: iptables-save prints them without what it cannot say.
for p in 80 81 82 83 84 85 86 87 88 89 90 443; do busybox httpd -p $p -h /tmp; done
iptables -A INPUT -p tcp --dport 86 -m comment --comment 'x
-A INPUT -p tcp -m tcp --dport 86 -j DROP' -j ACCEPT
iptables -A INPUT -p tcp --dport 87 -m comment --comment 'x
-A INPUT -p tcp -m tcp --dport 87 -j ACCEPT' -j DROP
iptables -A INPUT -p tcp -m multiport --dports 80,88 -m iprange --src-range 203.0.113.60-203.0.113.70 -j DROP
nft add set ip filter bad '{ type ipv4_addr; flags timeout; elements = { 203.0.113.1 timeout 1d, 198.51.100.9 }; }'
nft insert rule ip filter INPUT ip saddr @bad tcp dport 80 drop
nft add rule ip filter INPUT tcp dport '{ 81, 443 }' drop
nft add rule ip filter INPUT tcp dport vmap '{ 82 : drop, 83 : accept }'
nft add rule ip filter INPUT ip saddr 203.0.113.60-203.0.113.70 tcp dport 84 drop
iptables -t nat -A PREROUTING -p tcp --dport 7 -j REDIRECT --to-ports 80
nft add chain ip nat early '{ type nat hook prerouting priority -110; }'
nft add rule ip nat early tcp dport 9100 redirect to :90
ip6tables -A INPUT -p tcp --dport 81 -j ACCEPT
nft add set ip6 filter bad '{ type ipv6_addr; flags interval; elements = { 2001:db8::/127 }; }'
nft insert rule ip6 filter INPUT ip6 saddr @bad tcp dport '{ 81, 82 }' drop
nft add table inet own '{ flags dormant; chain in { type filter hook input priority 0; policy drop; }; }'
