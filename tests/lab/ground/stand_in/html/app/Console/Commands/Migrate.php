<?php

namespace App\Console\Commands;

use App\Console\Look;
use App\Console\Migrator;
use Illuminate\Database\Console\Migrations\MigrateCommand;
use Illuminate\Support\Facades\Cache;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/** Laravel's own, with the option that it has from version 9.38 on (Illuminate\Console\Command, CacheCommandMutex). */
class Migrate extends MigrateCommand
{
    public function __construct()
    {
        $app = app();
        parent::__construct(new Migrator($app['migration.repository'], $app['db'], $app['files'], $app['events']), $app['events']);
        $this->getDefinition()->addOption(
            new InputOption('isolated', null, InputOption::VALUE_OPTIONAL, 'Do not run the command if another instance of the command is already running', false)
        );
    }

    protected function execute(InputInterface $input, OutputInterface $output)
    {
        $isolated = $this->option('isolated');
        if ($isolated === false) {
            return parent::execute($input, $output);
        }
        $lock = Cache::lock('framework'.DIRECTORY_SEPARATOR.'command-migrate', 3600);
        if (! $lock->get()) {
            $this->comment('The [migrate] command is already running.');

            return (int) (is_numeric($isolated) ? $isolated : self::SUCCESS);
        }
        try {
            return parent::execute($input, $output);
        } finally {
            $lock->release();
        }
    }

    protected function prepareDatabase()
    {
        if (! $this->migrator->repositoryExists()) {
            Look::info($this->output, 'Preparing database.');
            Look::task($this->output, 'Creating migration table', fn () => $this->callSilent('migrate:install', array_filter(['--database' => $this->option('database')])));
        }
    }
}
