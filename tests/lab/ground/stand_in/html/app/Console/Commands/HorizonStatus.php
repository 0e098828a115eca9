<?php

namespace App\Console\Commands;

use App\Console\Look;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\Redis;

/** As Laravel\Horizon\Console\StatusCommand: any master that has given a sign of life counts, whichever it is. */
class HorizonStatus extends Command
{
    protected $signature = 'horizon:status';

    protected $description = 'Get the current status of Horizon';

    public function handle()
    {
        $masters = Redis::keys(Horizon::MASTERS.':*');
        if (! $masters) {
            Look::error($this->output, 'Horizon is inactive.');

            return 2;
        }
        Look::info($this->output, 'Horizon is running.');

        return 0;
    }
}
