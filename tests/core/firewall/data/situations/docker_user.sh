# ports: 22 8000 8001
# The way of ufw-docker: DOCKER-USER asks ufw's forward rules, lets private neighbours in, and drops the rest.
cat >> /etc/ufw/after.rules <<'RULES'
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -i docker0 -j RETURN
-A DOCKER-USER -s 10.0.0.0/8 -j RETURN
-A DOCKER-USER -s 172.16.0.0/12 -j RETURN
-A DOCKER-USER -s 192.168.0.0/16 -j RETURN
-A DOCKER-USER -d 172.16.0.0/12 -m conntrack --ctstate NEW -j DROP
-A DOCKER-USER -j RETURN
COMMIT
RULES
ufw allow 22/tcp; ufw route allow proto tcp from 203.0.113.66 to any port 8080
ufw --force enable
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
docker run -d --name other -p 8001:8081 registry.lab:5000/library/tiny:1 httpd -f -p 8081 -h /www
