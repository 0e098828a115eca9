<?php

// Debian has Laravel in PHP's include path, not as packages of Composer
require_once 'Illuminate/autoload.php';

spl_autoload_register(function (string $class): void {
    foreach (['App\\' => 'app/', 'Database\\Seeders\\' => 'database/seeders/'] as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $file = dirname(__DIR__).'/'.$folder.str_replace('\\', '/', substr($class, strlen($prefix))).'.php';
            if (is_file($file)) {
                require $file;
            }
        }
    }
});
require_once dirname(__DIR__).'/bootstrap/helpers/docker.php';
