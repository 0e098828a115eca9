# ports: 22 8000 8001
# DOCKER-USER by the published port, not by the container's.
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
docker run -d --name other -p 8001:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
iptables -I DOCKER-USER ! -s 203.0.113.66/32 -i eth0 -p tcp -m conntrack --ctorigdstport 8000 --ctdir ORIGINAL -j DROP
iptables -I DOCKER-USER -s 10.0.0.0/8 -p tcp -m conntrack --ctorigdstport 8001 --ctstate NEW -j REJECT
