<?php

namespace App\Console\Commands;

use App\Console\Look;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\Redis;

/** A master of Laravel Horizon, of which there is only the sign of life that it renews in Redis each second. */
class Horizon extends Command
{
    public const MASTERS = 'horizon:masters';

    public const LIFE_S = 15;

    protected $signature = 'horizon';

    protected $description = 'Start a master supervisor in the foreground';

    public function handle()
    {
        $stopped = false;
        foreach ([SIGTERM, SIGINT] as $signal) {
            pcntl_signal($signal, function () use (&$stopped): void {
                $stopped = true;
            });
        }
        Look::info($this->output, 'Horizon started successfully.');
        while (! $stopped) {
            Redis::setex(self::MASTERS.':'.gethostname(), self::LIFE_S, 'running');
            sleep(1);
            pcntl_signal_dispatch();
        }
        Redis::del(self::MASTERS.':'.gethostname());
    }
}
