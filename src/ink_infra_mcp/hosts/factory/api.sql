UPDATE instance_settings
SET is_api_enabled = true, updated_at = now()
WHERE id = 0 AND is_api_enabled = false;
SELECT CASE WHEN is_api_enabled THEN 'now on' ELSE 'now off' END
FROM instance_settings
WHERE id = 0;
