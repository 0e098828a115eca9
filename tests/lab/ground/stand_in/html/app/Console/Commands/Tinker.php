<?php

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Throwable;

/** Of Laravel\Tinker\Console\TinkerCommand only `--execute`: what the code itself prints is all that is printed. */
class Tinker extends Command
{
    protected $signature = 'tinker {--execute= : Execute the given code using Tinker}';

    protected $description = 'Interact with your application';

    public function handle()
    {
        try {
            eval(rtrim($this->option('execute'), "; \n").';');
        } catch (Throwable $e) {
            $this->output->writeln(['', '   '.get_class($e).'  '.$e->getMessage(), '']);

            return 1;
        }

        return 0;
    }
}
