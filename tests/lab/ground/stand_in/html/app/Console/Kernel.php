<?php

namespace App\Console;

use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected $commands = [
        Commands\Horizon::class,
        Commands\HorizonStatus::class,
        Commands\Init::class,
        Commands\Migrate::class,
        Commands\MigrateStatus::class,
        Commands\Migration::class,
        Commands\Seeder::class,
        Commands\Tinker::class,
    ];
}
