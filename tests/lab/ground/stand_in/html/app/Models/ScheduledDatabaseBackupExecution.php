<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

class ScheduledDatabaseBackupExecution extends Model
{
    protected $guarded = [];
}
