# ports: 22 8000 8001
# Docker NATs IPv6 as well; 8001 is published on the IPv4 address only.
cat > /etc/docker/daemon.json <<'JSON'
{"insecure-registries": ["registry.lab:5000"], "ipv6": true, "fixed-cidr-v6": "fd00:6::/64", "experimental": true, "ip6tables": true}
JSON
ufw allow 22/tcp; ufw --force enable
systemctl restart docker
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
docker run -d --name other -p 203.0.113.11:8001:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
