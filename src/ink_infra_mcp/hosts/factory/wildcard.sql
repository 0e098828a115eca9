UPDATE server_settings
SET wildcard_domain = NULLIF(:'wanted', ''), updated_at = now()
FROM servers
WHERE server_settings.server_id = servers.id
  AND servers.uuid = :'server'
  AND servers.deleted_at IS NULL
  AND COALESCE(server_settings.wildcard_domain, '') = :'before'
  AND COALESCE(server_settings.wildcard_domain, '') <> :'wanted';
SELECT 'now ' || COALESCE(server_settings.wildcard_domain, '')
FROM server_settings
JOIN servers ON servers.id = server_settings.server_id
WHERE servers.uuid = :'server' AND servers.deleted_at IS NULL;
