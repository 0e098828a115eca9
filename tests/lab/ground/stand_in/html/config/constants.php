<?php

return [
    'coolify' => [
        'version' => env('COOLIFY_VERSION') ?: '4.3.11',
        'helper_version' => '1.0.15',
        'realtime_version' => '1.0.17',
        'self_hosted' => env('SELF_HOSTED', true),
        'autoupdate' => env('AUTOUPDATE'),
        'base_config_path' => env('BASE_CONFIG_PATH', '/data/coolify'),
        'registry_url' => env('REGISTRY_URL', 'docker.io'),
    ],
    'migration' => [
        'is_migration_enabled' => env('MIGRATION_ENABLED', true),
    ],
    'seeder' => [
        'is_seeder_enabled' => env('SEEDER_ENABLED', true),
    ],
];
