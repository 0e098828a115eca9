<?php

namespace App\Console\Commands;

use App\Console\Look;
use Illuminate\Console\Command;

/** As Laravel from version 9 on prints it (Illuminate\Database\Console\Migrations\StatusCommand). */
class MigrateStatus extends Command
{
    protected $signature = 'migrate:status {--database=} {--pending=false} {--path=*} {--realpath}';

    protected $description = 'Show the status of each migration';

    public function handle()
    {
        $migrator = app('migrator');

        return $migrator->usingConnection($this->option('database'), fn () => $this->tell($migrator));
    }

    private function tell($migrator): int
    {
        if (! $migrator->repositoryExists()) {
            Look::error($this->output, 'Migration table not found.');

            return 1;
        }
        $batches = $migrator->getRepository()->getMigrationBatches();
        $only = $this->option('pending') !== 'false';
        $rows = collect(array_keys($migrator->getMigrationFiles(database_path('migrations'))))
            ->mapWithKeys(fn ($name) => [$name => isset($batches[$name]) ? "[{$batches[$name]}] Ran" : 'Pending'])
            ->when($only, fn ($rows) => $rows->filter(fn ($status) => $status === 'Pending'));
        if ($rows->isEmpty()) {
            Look::info($this->output, $only ? 'No pending migrations' : 'No migrations found');

            return 0;
        }
        $this->newLine();
        Look::columns($this->output, 'Migration name', 'Batch / Status');
        $rows->each(fn ($status, $name) => Look::columns($this->output, $name, $status));
        $this->newLine();

        return $only && $rows->contains('Pending') ? (int) $this->option('pending') : 0;
    }
}
