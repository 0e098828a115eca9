<?php

return [
    'default' => env('QUEUE_CONNECTION', 'redis'),
    'connections' => ['redis' => ['driver' => 'redis', 'connection' => 'default', 'queue' => 'default']],
    'failed' => ['driver' => 'database-uuids', 'database' => 'pgsql', 'table' => 'failed_jobs'],
];
