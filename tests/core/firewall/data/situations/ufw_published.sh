# ports: 22 8000 9000 9001
# ufw says that 8000 is denied; Docker publishes it all the same. IPv6 is served by docker-proxy, where ufw applies.
ufw allow 22/tcp; ufw deny 8000/tcp; ufw allow from 203.0.113.66 to any port 9000 proto tcp comment 'admin only'
ufw --force enable
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
busybox httpd -p 9000 -h /tmp
busybox httpd -p 9001 -h /tmp
