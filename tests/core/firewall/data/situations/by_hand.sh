# ports: 22 80 443 8080 9000 9001 9002
# Hand-made chains: returns, goto, lists, ranges, negation, matches that cannot be judged from the rules.
for p in 80 443 8080 9000 9001 9002; do busybox httpd -p $p -h /tmp; done
iptables -N guests; iptables -N web
iptables -A guests -m iprange --src-range 203.0.113.60-203.0.113.70 -j RETURN
iptables -A guests -j REJECT --reject-with icmp-admin-prohibited
iptables -A web -p tcp --syn -j ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -p tcp -m multiport --dports 80,443 -g web
iptables -A INPUT -p tcp -m tcp --dport 8080 -j guests
iptables -A INPUT ! -s 203.0.113.0/24 -p tcp -m multiport --dports 22,8080 -j ACCEPT
iptables -A INPUT -s 203.0.113.66/32 -p tcp --dport 8080:8090 -m comment --comment "an \"admin\" -j DROP" -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -m recent --name knock --rcheck --seconds 30 -j ACCEPT
iptables -A INPUT -p tcp --dport 9000 -m string --string bad --algo bm -j DROP || true
iptables -A INPUT -p tcp --dport 9001 -m limit --limit 100/sec --limit-burst 100 -j ACCEPT
iptables -A INPUT -p tcp --dport 9002 -m mark --mark 0x7 -j DROP
iptables -A INPUT -p tcp --dport 9002 -j DROP
iptables -A INPUT -p tcp --dport 9000 -j ACCEPT
iptables -P INPUT DROP
ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -A INPUT -p ipv6-icmp -j ACCEPT; ip6tables -P INPUT DROP
