<?php

namespace App\Providers;

use App\Encrypter;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->extend('encrypter', fn ($laravels, $app) => new Encrypter(
            $laravels->getKey(),
            $app['config']['app.cipher'],
            array_map(fn (string $key) => base64_decode(substr($key, strlen('base64:'))), $app['config']['app.previous_keys']),
        ));
    }

    public function boot(): void
    {
        Route::prefix('api')->group(base_path('routes/api.php'));
    }
}
